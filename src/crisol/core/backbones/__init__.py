"""Pretrained encoders: known weights, their store on this machine, and inference with them."""
