"""Pipeline specs: inputs and the datums that they form, resources, states.

Plain values and their checks. All of `pps` may call it; it calls nothing else in `pps`.
"""
