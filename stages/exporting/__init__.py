"""The model as ONNX, held against torch, with its card."""
