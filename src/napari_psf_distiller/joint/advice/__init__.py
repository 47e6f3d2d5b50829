"""What a user should know of a joint fit, each a sentence that says what to do."""
