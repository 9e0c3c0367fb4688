"""What people complain of, each with a board that leads from the symptom to the cause."""
