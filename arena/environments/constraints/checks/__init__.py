"""How an answer is measured against each rule of the Constraints Space."""
