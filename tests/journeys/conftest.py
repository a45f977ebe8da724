from tests.stack_fixtures import *  # noqa
from tests.stack_fixtures import _whole_stack
