"""Cells are written as they are, whatever number they look like."""

from stages.experiments.tables import markdown


def test_cells_are_not_read_as_numbers_and_columns_may_share_a_name() -> None:
    lines = markdown(["patient", "x", "x"], [("007", "1e3", "+0.020"), ("NA", "", "nan")]).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0] == ["patient", "x", "x"]
    assert all(set(cell) <= set(":-") for cell in cells[1])
    assert cells[2:] == [["007", "1e3", "+0.020"], ["NA", "", "nan"]]
