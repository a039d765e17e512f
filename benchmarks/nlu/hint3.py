"""What others published on HINT3, and what we have to reach.

Source of the published figures: Arora et al. (2020), HINT3: Raising the bar for intent detection in the wild,
arXiv:2009.13833, and its results in github.com/hellohaptik/HINT3, version 1 of the data, full training sets. Each
system is at the threshold its vendor suggests. The reference is what the pipeline reached when it was designed.
"""

from dataclasses import dataclass

FOLDER_PREFIX = "hint3-"


@dataclass(frozen=True)
class Published:
    """One system on one data set, in percent."""

    system: str
    accuracy: float  # of the questions in scope, all of them: one that is declined is not right
    out_of_scope_recall: float  # of the questions out of scope, those that are declined
    reference: float  # accuracy that the reference pipeline reached at the same out-of-scope recall


PUBLISHED: dict[str, tuple[Published, ...]] = {
    "hint3-powerplay11": (
        Published("Rasa (ConveRT + DIET) 0.5", 42.5, 61.9, 60.4),
        Published("BERT 0.7", 50.2, 59.3, 61.1),
        Published("Dialogflow 0.5", 55.3, 50.3, 62.9),
        Published("LUIS 0.3", 36.4, 80.2, 52.0),
        Published("Haptik 0.3", 61.5, 61.7, 60.4),
    ),
    "hint3-curekart": (
        Published("Rasa (ConveRT + DIET) 0.5", 81.9, 26.0, 84.7),
        Published("BERT 0.7", 82.7, 36.2, 84.5),
        Published("Dialogflow 0.5", 66.8, 74.8, 77.9),
        Published("LUIS 0.3", 64.2, 62.7, 80.1),
        Published("Haptik 0.3", 72.8, 69.0, 79.2),
    ),
    "hint3-sofmattress": (
        Published("Rasa (ConveRT + DIET) 0.5", 64.1, 39.8, 77.5),
        Published("BERT 0.7", 70.6, 54.2, 76.6),
        Published("Dialogflow 0.5", 67.1, 72.9, 71.4),
        Published("LUIS 0.3", 47.2, 92.2, 52.8),
        Published("Haptik 0.3", 65.4, 66.9, 73.2),
    ),
}
