// The parts of the client that other tools may share: nothing here asks anyone or prints.
