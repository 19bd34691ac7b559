STATE = "landed"
