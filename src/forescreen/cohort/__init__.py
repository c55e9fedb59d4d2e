"""Who is studied: registry tables in, members with outcomes, matched sets, weights and splits out.

Read in this order: settings, columns, registry, follow_up, eligibility, matching, weights, designs,
splits, members, image_table.
"""
