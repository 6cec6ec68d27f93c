"""The door for messages of others: they tell that something happened, and we look ourselves."""
