global using Hearth.Runtime;
