// Searches notes by meaning: each note becomes a vector, and so does the question; the nearest notes are its answer.
//
//   embedding-sample MODEL.gguf [QUESTION ...]
//
// Any model will do, though one made for embeddings finds far better than a chat model such as ember, whose vectors know little
// more than the words.
using System.Numerics.Tensors;
using Hearth.Extensions.AI;
using Microsoft.Extensions.AI;

if (args.Length == 0)
{
    Console.Error.WriteLine("usage: embedding-sample MODEL.gguf [QUESTION ...]");
    return 2;
}

string[] notes =
[
    "The weather in Bern is sunny today.",
    "Set a timer for the pasta, 12 minutes.",
    "Hearth keeps local language models warm.",
    "The capital of Croatia is Zagreb.",
];
string[] questions = args.Length > 1 ? args[1..] : ["What is the weather in Bern?", "Hearth keeps local models warm."];
using var generator = new HearthEmbeddingGenerator(new HearthClientOptions { ModelPath = args[0] });
var vectors = await generator.GenerateAsync(notes);
foreach (var question in questions)
{
    // The vectors have length 1: their dot product is their cosine.
    var asked = await generator.GenerateVectorAsync(question);
    var ranked = notes.Zip(vectors, (note, vector) => (Note: note, Score: TensorPrimitives.Dot(asked.Span, vector.Vector.Span))).OrderByDescending(one => one.Score).ToList();
    Console.WriteLine($"{question} -> {ranked[0].Note} ({ranked[0].Score:0.00}; next {ranked[1].Score:0.00})");
}

return 0;
