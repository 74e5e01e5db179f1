"""Exercises that check themselves.

``check("28.2.1-1", fn)`` prints a tick when ``fn`` is right, a circle when it is not written yet, and raises
with a sentence that helps when it is wrong.
"""

from __future__ import annotations

from . import activations as activations
from . import adversarial_attacks as adversarial_attacks
from . import alibi as alibi
from . import alignment as alignment
from . import attention_visualization as attention_visualization
from . import bias as bias
from . import causal_interventions as causal_interventions
from . import controlled_generation as controlled_generation
from . import ensembles as ensembles
from . import harmful_content as harmful_content
from . import interpretability as interpretability
from . import long_sequences as long_sequences
from . import lora_composition as lora_composition
from . import merged_pair as merged_pair
from . import mixture_of_experts as mixture_of_experts
from . import model_merging as model_merging
from . import position_interpolation as position_interpolation
from . import probing as probing
from . import rag as rag
from . import retnet as retnet
from . import rwkv as rwkv
from . import sparse_attention as sparse_attention
from . import state_space_models as state_space_models
from .checking import CHECKS as CHECKS
from .checking import NotDoneYet as NotDoneYet
from .checking import answer as answer
from .checking import check as check
from .checking import register as register
from .checking import wrong as wrong
