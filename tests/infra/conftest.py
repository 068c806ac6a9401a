"""Failures in the contracts show what was compared, as those in the tests do."""

import pytest

pytest.register_assert_rewrite("tests.contracts")
