"""The model card in all its variants."""

import pytest
from markdown_it import MarkdownIt

from stages.reporting import card
from tests.fixtures import reports


def render(regions=False, leaky=False, int8=True, spacing_known=True, **of_model):
    return card.render(
        reports.model(regions, **of_model),
        reports.decision(regions),
        reports.meta(),
        reports.evaluated(regions, leaky, spacing_known),
        reports.exported(int8),
    )


@pytest.mark.parametrize("regions", [False, True])
@pytest.mark.parametrize("leaky", [False, True])
@pytest.mark.parametrize("int8", [True, False, None])
def test_variants(regions, leaky, int8):
    text = render(regions, leaky, int8)
    assert ("Leaky: patients of the test set were also trained on" in text) is leaky
    assert ("Mean over 22 patients that were not trained on, on the 128 px grid" in text) is not leaky
    assert "| volume Dice | 0.812 (95 % interval 0.701 to 0.904) |" in text
    assert ("| volume Dice, core | 0.654 (0.701 to 0.904) |" in text) is regions
    assert ("- core: probability at least 0.35, components under 0.3 ml removed\n" in text) is regions
    assert ("- tumour: probability at least 0.35\n" in text) is not regions
    assert ("ONNX int8" in text) is (int8 is not None)
    assert ("ONNX int8 (not shipped: loses too much)" in text) is (int8 is False)
    assert "the crop cut off 6 labelled pixels" in text
    assert f"- weights: `{'a1' * 32}`" in text
    assert "| encoder_weights | null |" in text


def test_tables_are_tables():
    """A blank or missing line would break a Markdown table silently."""
    html = MarkdownIt("commonmark").enable("table").render(render(regions=True, int8=False))
    assert html.count("<table>") == 3
    assert "| " not in html


def test_context_and_spacing_are_told():
    assert "with 2 neighbouring slices on each side" in render(context=2)
    assert "neighbouring" not in render()
    assert "spacing as told by the scans" in render()
    assert "1 mm was assumed" in render(spacing_known=False)


def test_the_same_run_gives_the_same_card():
    assert render() == render()
