global using Hearth.Runtime;
global using Hearth.Tests;
global using Xunit;
