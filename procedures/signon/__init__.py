"""Speaks OIDC, SAML and LDAP with identity providers: what came back in, what it proves about one person out."""
