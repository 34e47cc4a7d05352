"""What a walk ends with."""


class Fault(Exception):
    """What was seen is not what must be."""


def expect(true, text):
    if not true:
        raise Fault(text)
