global using Hearth.Runtime;
global using Hearth.Tests;
global using Microsoft.Extensions.AI;
global using Xunit;
global using ChatMessage = Microsoft.Extensions.AI.ChatMessage;
