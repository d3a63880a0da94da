"""brainseg: brain MRI scans with tumour masks in, a tested and versioned segmentation model out."""

import os

# Nothing phones home unless a person asks for it: each library's own switch, set before it is imported.
for _switch, _value in {
    "NO_ALBUMENTATIONS_UPDATE": "1",
    "GX_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime's builds for Linux report to Microsoft otherwise
    "ITERATIVE_DO_NOT_TRACK": "1",  # GTO
    "DVC_NO_ANALYTICS": "1",
    "DO_NOT_TRACK": "1",
}.items():
    os.environ.setdefault(_switch, _value)
