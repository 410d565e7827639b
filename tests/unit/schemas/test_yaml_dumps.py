"""What ``dumps`` writes, ``loads`` reads back equal."""

from schemas import strict_yaml


def test_an_object_that_stands_twice_is_written_twice():
    shared = {"post": "Data protection officer"}
    value = {"parties": [{"dpo": shared}, {"dpo": shared}]}
    text = strict_yaml.dumps(value)
    assert "&" not in text
    assert strict_yaml.loads(text.encode()) == value
