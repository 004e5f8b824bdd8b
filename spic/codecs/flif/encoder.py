def encode(planes): raise NotImplementedError
