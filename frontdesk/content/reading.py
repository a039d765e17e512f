"""How hard a text is to read, and how hard it may be."""

import re

HARDEST_GRADE = 8.0

# The Flesch-Kincaid grade counts syllables and the words of a sentence, so it takes a name for a hard word. Readers
# know the name of the drug they ask about and of what they live with, and no plainer word can stand for it in the
# answer. For the count only, each makes way for a plain word that could stand in the same place: a drug's name for a
# drug, a condition's for a complaint. So what is measured is the sentence around the names. A word that has a plainer
# one the answer could use ("administer", "discontinue", "approximately") does not belong here.
STAND_INS = {
    # drugs and kinds of drugs
    "ketamine": "drug",
    "esketamine": "drug",
    "spravato": "spray",
    "antidepressant": "pill",
    "antidepressants": "pills",
    "benzodiazepines": "pills",
    "lamotrigine": "pills",
    "theophylline": "pills",
    "opioids": "pills",
    "stimulants": "pills",
    # conditions
    "depression": "low mood",
    "bipolar disorder": "mood swings",
    "bipolar depression": "mood swings",
    "anxiety": "worry",
    "fibromyalgia": "sore joints",
    "migraine": "headache",
    "psychosis": "voices",
    "aneurysm": "bleed",
    # what cannot be said in another way
    "infusion": "visit",
    "infusions": "visits",
    "anesthesia": "deep sleep",
    "anesthetic": "sleep drug",
    "glutamate": "salt",
    "serotonin": "salt",
    "receptors": "nerve gates",
    "neuroplasticity": "brain growth",
    "dissociation": "floating",
}
_NAMES = re.compile(rf"\b(?:{'|'.join(sorted(STAND_INS, key=len, reverse=True))})\b", re.IGNORECASE)


class GradeUnknown(Exception):
    """Nothing here can measure how hard a text is to read: textstat is not installed."""


def reading_grade(text: str) -> float:
    """Return the Flesch-Kincaid grade of a text without its names; raise GradeUnknown.

    textstat ends a sentence at every full stop.
    """
    try:
        import textstat  # type: ignore[import-untyped]  # not among what the assistant runs on
    except ImportError as error:
        raise GradeUnknown from error
    text = re.sub(r"\b\w+\.org\b", "site", text.replace("U.S.", "US"))
    return float(textstat.flesch_kincaid_grade(_NAMES.sub(lambda name: STAND_INS[name[0].lower()], text)))
