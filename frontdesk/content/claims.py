"""Claims that nobody may make to a patient, in an answer, a fact or a proposed wording."""

import re

NEGATION = r"(?:not|no|never|cannot|\w+n['’]t)"
# Each is a claim and what, in the same sentence, turns it into its opposite.
CLAIMS = (
    (r"\bcur(?:e|es|ed|ing)\b", rf"\b{NEGATION}\b[^,;]{{0,20}}\bcur"),
    (r"\bguarante", rf"\b{NEGATION}\b[^,;]{{0,30}}\bguarante"),
    (r"\b(?:not|non|never|\w+n['’]t)[\s-](?:\w+\s)?(?:addictive|habit[\s-]forming)", None),
    (r"\b(?:100\s?%|100 percent|completely|totally|perfectly|entirely) safe", rf"\b{NEGATION}\b[^,;]{{0,25}}safe"),
    (r"\b(?:no|without|zero) (?:side effects|risks?)\b|risk[\s-]free", None),
    (
        r"\bworks for (?:everyone|everybody|all)\b|\balways works\b|\bmiracle",
        rf"\b{NEGATION}\b[^,;]{{0,20}}(?:work|mir)",
    ),
    (r"\d\s*(?:mg|mcg|µg|ml|cc|milligrams?|micrograms?|millilit(?:er|re)s?)\b|\bmg\b|\bmilligram|\bmicrogram", None),
    (
        r"\b(?:stop|skip|halve|double|lower|raise|start|quit)\b(?: taking| using)? (?:your|any|all|the)? ?"
        r"(?:\w+ )?(?:medicines?|medications?|meds|pills?|dose)\b",
        rf"\b(?:{NEGATION}|without|before|ask|whether|if|decides?|tell you)\b[^;]*"
        r"\b(?:stop|skip|halve|double|lower|raise|start|quit)\b",
    ),
    (r"\byou (?:qualify|are eligible|are a (?:good )?candidate)\b", r"\b(?:whether|if|not|can['’]t|decides?)\b"),
)
APPROVED = re.compile(r"\bapprov", re.IGNORECASE)
CONDITIONS = re.compile(
    r"\b(?:depress\w*|ptsd|anxiety|ocd|pain|bipolar|mental|mood|suicid\w*|these|them)\b", re.IGNORECASE
)
OTHER_DRUG = re.compile(r"\b(?:spravato|esketamine)\b", re.IGNORECASE)
NOT_APPROVED = re.compile(rf"\b{NEGATION}\b[^;]{{0,25}}\bapprov|\bunapproved\b", re.IGNORECASE)


def forbidden_claims(text: str) -> list[str]:
    """Return the sentences of a text that claim what may not be claimed."""
    found = []
    before = ""
    for sentence in re.split(r"(?<=[.!?])\s+|(?<=[.!?][\"”])\s+", " ".join(text.split())):
        for claim, opposite in CLAIMS:
            if re.search(claim, sentence, re.IGNORECASE) and not (
                opposite and re.search(opposite, sentence, re.IGNORECASE)
            ):
                found.append(sentence)
        approves = APPROVED.search(sentence) and CONDITIONS.search(sentence) and not NOT_APPROVED.search(sentence)
        if approves and not OTHER_DRUG.search(f"{before} {sentence}"):
            found.append(sentence)
        before = sentence
    return found
