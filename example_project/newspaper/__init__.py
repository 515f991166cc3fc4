"""The site of an invented student newspaper: what courant_mail looks like in a Django project."""
