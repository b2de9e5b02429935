from .adapters import named_arguments as named_arguments
from .adapters import with_slow_params as with_slow_params
from .check.workload import check_workload as check_workload
from .control import (
    Control as Control,
)
from .control import (
    Directive as Directive,
)
from .control import (
    Evaluation as Evaluation,
)
from .control import (
    Progress as Progress,
)
from .data.batch_share import BatchShare as BatchShare
from .errors import DataError as DataError
from .errors import MachineError as MachineError
from .errors import UserError as UserError
from .parameters import (
    ParameterInfo as ParameterInfo,
)
from .parameters import (
    ParameterKind as ParameterKind,
)
from .parameters import (
    Params as Params,
)
from .problem import (
    Hyperparameters as Hyperparameters,
)
from .problem import (
    Problem as Problem,
)
from .problem import (
    TrainState as TrainState,
)
from .rules import (
    Conditions as Conditions,
)
from .rules import (
    Limits as Limits,
)
from .rules import (
    Target as Target,
)
from .rules import (
    rule_set as rule_set,
)
from .selection import Carry as Carry
from .selection import Moment as Moment
from .selection import SelectFn as SelectFn
from .submission import (
    Gradient as Gradient,
)
from .submission import (
    Objective as Objective,
)
from .submission import (
    StepContext as StepContext,
)
from .submission import (
    Submission as Submission,
)
from .submission import (
    ValueAndGradFn as ValueAndGradFn,
)
from .submission import (
    ValueFn as ValueFn,
)
from .trial.ledger import Ledger as Ledger
from .trial.ledger import Outcome as Outcome
from .trial.progress import Lines as Lines
from .trial.progress import Reporter as Reporter
from .trial.progress import Silent as Silent
from .trial.result import Result as Result
from .trial.result import TrialFailed as TrialFailed
from .trial.settings import Settings as Settings
from .trial.setup import open_data as open_data
from .trial.training import train as train
from .workload import (
    AXES as AXES,
)
from .workload import (
    LossTerms as LossTerms,
)
from .workload import (
    LossType as LossType,
)
from .workload import (
    Workload as Workload,
)

__version__: str
