"""The mails that the local SMTP server has received, to look at in a browser while developing."""
