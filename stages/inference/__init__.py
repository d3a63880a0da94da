"""Probabilities of a case, by torch or by ONNX Runtime; what an exported model says of itself."""
