import { Task } from "./gen/containerd/task/v2.ts";

/**
 * Version 3 of the task service. Its messages are those of version 2, byte for byte, so a program that
 * serves both carries one set of tables.
 */
export const TaskV3 = { typeName: "containerd.task.v3.Task", methods: Task.methods };
