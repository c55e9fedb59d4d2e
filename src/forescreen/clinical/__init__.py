"""Questionnaire answers and registry columns as clinical risk factors, and published models of risk."""
