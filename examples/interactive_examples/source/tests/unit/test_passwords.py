from interactive_examples.passwords import hash_password, password_fits


def test_right_and_wrong_password():
    stored = hash_password("correct horse")
    assert password_fits("correct horse", stored)
    assert not password_fits("correct horsf", stored)
    assert not password_fits("", stored)


def test_same_password_is_stored_differently():
    assert hash_password("same") != hash_password("same")


def test_nobody_without_a_password_gets_in():
    assert not password_fits("", None)
    assert not password_fits("anything", None)
