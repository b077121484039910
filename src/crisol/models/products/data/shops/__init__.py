"""Readers of shops' exports: Shopify, WooCommerce, Google Merchant Center."""
