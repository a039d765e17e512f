"""`./ketalink evaluate`: how well the model understands questions it was not trained on.

`command` is what the operator types, `questions` the files, `asking` the model's process, `results` what became of each
question, `comparison` a second model beside it, `gates` what a measurement has to reach, `report` what is said of it.
"""
