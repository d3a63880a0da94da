"""Who is trained, validated and tested on, with the proof that nothing straddles."""
