global using Hearth.Runtime;
global using Hearth.Runtime.Tests.Support;
global using Xunit;
