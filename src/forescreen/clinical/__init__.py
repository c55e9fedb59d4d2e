"""Questionnaire answers and registry columns as clinical risk factors."""
