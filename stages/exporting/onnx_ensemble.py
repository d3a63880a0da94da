"""Several exported graphs as one that answers with the mean of their probabilities."""

import onnx
from onnx import compose, helper


def mean(graphs: list[onnx.ModelProto]) -> onnx.ModelProto:
    """One graph over graphs of one input and one output each, of equal names, shapes and types.

    The names inside get a number each; input and output keep theirs. Metadata are left to the caller. Raises
    `ValueError` where the graphs do not fit together.
    """
    first = graphs[0]
    source, target = first.graph.input[0], first.graph.output[0]
    joined = onnx.GraphProto(name=first.graph.name, input=[source], output=[target])
    answers = []
    for number, member in enumerate(graphs):
        if (member.graph.input[0], member.graph.output[0]) != (source, target):
            raise ValueError("the graphs differ in input or output")
        if (member.opset_import, member.ir_version) != (first.opset_import, first.ir_version):
            raise ValueError("the graphs differ in their ONNX version")
        prefixed = compose.add_prefix(member, f"member{number}/").graph
        inside = prefixed.input[0].name
        for node in prefixed.node:
            node.input[:] = [source.name if name == inside else name for name in node.input]
        joined.node.extend(prefixed.node)
        joined.initializer.extend(prefixed.initializer)
        answers.append(prefixed.output[0].name)
    joined.node.append(helper.make_node("Mean", answers, [target.name], name="mean"))
    model = onnx.ModelProto(
        ir_version=first.ir_version,
        opset_import=first.opset_import,
        functions=first.functions,
        graph=joined,
    )
    onnx.checker.check_model(model)
    return model
