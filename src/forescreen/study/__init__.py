"""The whole case–case–control study, from registry tables and mammograms to results, in one go."""
