global using Hearth.Runtime.Tests.Support;
global using Xunit;
