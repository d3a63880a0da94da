"""Why a request is refused: one sentence, and the status of HTTP that says of what kind it is."""


class Refusal(Exception):
    """`status`: of HTTP, 400 to 599. `sentence`: what is wrong and what to do."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
