"""A 3D convolution slice by slice gives what the whole one gives."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from stages.exporting import onnx_export, slicewise
from stages.networks import network
from stages.networks.architecture import Architecture
from stages.networks.volumetric import VolumeNetwork

three = st.tuples(st.sampled_from([1, 3]), st.sampled_from([1, 3]), st.sampled_from([1, 3]))
strides = st.tuples(st.integers(1, 2), st.integers(1, 2), st.integers(1, 2))


@settings(max_examples=60, deadline=None)
@given(kernel=three, stride=strides, padded=st.booleans(), bias=st.booleans(), side=st.integers(3, 7))
def test_as_the_whole_convolution(kernel, stride, padded, bias, side):
    torch.manual_seed(0)
    margin = tuple(k // 2 for k in kernel) if padded else 0
    whole = nn.Conv3d(2, 3, kernel, stride, margin, bias=bias)
    volumes = torch.randn(2, 2, side, side + 1, side + 2)
    answered = slicewise.of(nn.Sequential(whole))(volumes)
    torch.testing.assert_close(answered, whole(volumes), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "other", [{"groups": 2}, {"dilation": 2}, {"padding_mode": "circular", "padding": 1}]
)
def test_what_has_no_such_form_is_refused(other):
    with pytest.raises(ValueError, match="has no slicewise form"):
        slicewise.of(nn.Sequential(nn.Conv3d(2, 2, 3, **other)))


@pytest.mark.parametrize("arch", ["dynunet", "segresnet", "basicunet"])
def test_a_graph_convolves_in_2d_and_answers_as_torch_does(arch, tmp_path):
    window = (16, 32, 32)
    torch.manual_seed(0)
    architecture = Architecture(dims=3, arch=arch, encoder="", window=window, spacing_mm=(2.0, 1.0, 1.0))
    net = network.build(architecture, None, 2, [60.0] * 3, [40.0] * 3).eval()
    assert isinstance(net, VolumeNetwork)
    names = set(net.state_dict())
    onnx_export.write_volumes(net, window, 18, tmp_path / "model.onnx")
    assert set(net.state_dict()) == names  # the network itself stays as it is
    graph = onnx.load(tmp_path / "model.onnx").graph
    sides = {tensor.name: len(tensor.dims) for tensor in graph.initializer}
    assert {sides[node.input[1]] for node in graph.node if node.op_type == "Conv"} == {4}
    volumes = np.random.default_rng(0).integers(0, 256, (1, *window, 3), np.uint8)
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    (answered,) = session.run(None, {"slices": volumes})
    with torch.inference_mode():
        expected = net(torch.from_numpy(volumes)).sigmoid().permute(0, 2, 3, 4, 1)
    np.testing.assert_allclose(answered, expected, atol=1e-4)
