environments = { prod = {} }
