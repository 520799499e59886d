import type { Connection } from "../session/connection.ts";
import type { Login } from "./credential-helper.ts";
import { credentialsToProto } from "./transfer.ts";

/** Has berthd ask the registry. What is to be saved may be a token in place of the password. */
export async function verifyLogin(connection: Connection, host: string, login: Login): Promise<Login> {
  const { credentials } = await connection.api.engine.checkCredentials({
    credentials: credentialsToProto(host, login),
  });
  const token = credentials?.identityToken ?? "";
  return token === "" ? login : { kind: "identity-token", token };
}
