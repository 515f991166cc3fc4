"""The site whose mail is measured: a new project of Django's, with readers, and with one of the queues."""
