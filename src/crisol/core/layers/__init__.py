"""Network layers that several families use."""
