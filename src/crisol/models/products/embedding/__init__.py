"""The embedding of products by pretrained backbones."""
