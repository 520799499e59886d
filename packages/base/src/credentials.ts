/**
 * What a registry is shown of a user: a name and a password, or a refresh token for which its token server gives
 * access tokens.
 */
export type Credentials =
  | { readonly kind: "password"; readonly user: string; readonly password: string }
  | { readonly kind: "identity-token"; readonly token: string }
  /** Sent as it is: an access token that somebody else has got. */
  | { readonly kind: "registry-token"; readonly token: string };
