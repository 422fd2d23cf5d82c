"""How well a model predicts and how much it quotes: figures, held-out tunes, n-gram, intervals."""
