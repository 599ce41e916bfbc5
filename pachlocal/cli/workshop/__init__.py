"""`pachlocal workshop`: the eleven steps, how far somebody has come, and the way back."""
