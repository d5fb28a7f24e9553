"""The OpenAPI document of a service, made when it is asked for from the routes there are and the bundle's schema."""
