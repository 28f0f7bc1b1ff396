"""A video being watched: playlists, segments and the tokens that open them."""
