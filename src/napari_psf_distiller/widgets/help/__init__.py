"""The user's guide in the viewer: opened where a widget or one of its fields is explained."""
