"""`pachlocal workshop`: the steps, how far somebody has come, and the way back."""
