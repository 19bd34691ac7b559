environments = { preprod = {} }
